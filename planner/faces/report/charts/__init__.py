"""The charts of the report, one a module: values of a plan or of its review → a picture and the table behind it."""
