"""The verbs. Only this layer opens transactions and awaits plug-ins, never a plug-in inside a transaction."""
