"""Twilio as a telephone. Nothing else imports its library, and nothing imports this before it is asked for."""
