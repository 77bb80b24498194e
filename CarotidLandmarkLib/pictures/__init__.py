"""What is drawn of a volume and a detection: cuts with what lies in them, and the key image of a case.

Pillow is loaded only where something is drawn.
"""
