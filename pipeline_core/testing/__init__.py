"""What every source and every sink must keep, as checks for the tests of those who write one."""
