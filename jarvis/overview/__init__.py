"""The first page an admin sees: is it all right, what wants a person, and how it has been."""
