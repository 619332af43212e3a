"""What protocols measure, one module a measure: :data:`.table.MEASURES` lists them."""
