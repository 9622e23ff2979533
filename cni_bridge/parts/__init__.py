"""What an attachment is made of; one module a part."""
