"""The networks, and the door for a user's own.

Built by whoever trains or measures; they know nothing of how they are trained.
"""
