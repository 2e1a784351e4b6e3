"""An operator's and a developer's tools: backup and restore, a static analyser."""
