"""The forms that figures and tables of papers take; each file draws one."""
