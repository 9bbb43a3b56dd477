"""Any OPA policy in process: the plan that ``opa build -t plan`` makes, compiled to Python."""
