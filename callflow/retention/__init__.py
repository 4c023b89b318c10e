"""How long what is kept, who erases it and how that is proved; what goes back to the ward at the contract's end."""
