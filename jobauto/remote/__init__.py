"""What is said to the remote: each module builds one script and reads its answer."""
