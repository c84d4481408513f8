"""One file a panel; no panel knows another."""
