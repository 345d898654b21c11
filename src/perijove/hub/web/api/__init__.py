"""The REST API below ``/hub/api``: one file a resource."""
