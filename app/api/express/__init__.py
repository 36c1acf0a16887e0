"""POST /predict by a short way, for callers who ask the same kind of question again and again.

    heads     a head is one that was read before, but for the length of the body
    bodies    a body is one that was read before, but for its sequences
    requests  such a request is answered without a task of its own

Whatever is not just so takes the long way, through the boundary; nothing has happened for it here by then. The answers
are the same.
"""
