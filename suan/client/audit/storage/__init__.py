"""The fold against the contract's storage, each word proven."""
