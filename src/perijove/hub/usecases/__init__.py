"""The verbs. Only this layer opens transactions and awaits plug-ins; a plug-in is never awaited inside a transaction."""
