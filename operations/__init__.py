"""Starting, watching and stopping a whole market on one machine."""
