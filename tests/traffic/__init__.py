"""Who should reach whom: rows that the kernel tests prove and the proof's table shows for every stack."""
