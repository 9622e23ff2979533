"""What is done when the normal record of an attachment is missing."""
