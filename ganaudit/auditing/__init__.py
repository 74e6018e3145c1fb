"""An audit: sources opened, blocks planned and made, findings and report published."""
