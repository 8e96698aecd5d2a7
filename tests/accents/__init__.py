"""How each scheduler says what a fake cluster does; see base.py."""
