"""The parts of an attachment: one module each, with ensure/create/apply, remove and problems."""
