"""What is printed for a person: letters with their form, sheets for the ward's desk, a household's evidence."""
