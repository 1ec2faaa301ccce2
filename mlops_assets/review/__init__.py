"""The approval page: waiting challengers with their report and three buttons, on 127.0.0.1."""
