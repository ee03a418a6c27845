"""patient-service owns the profiles of patients, and knows which doctor treats which patient."""
