"""The rules of patients' profiles, preferences and guardians: no input or output, and the current time is an argument."""
