"""The auditor: `careslot verify` reads all stores, changes nothing, and reports where a promise of the product is broken."""
