"""From names and plans to text: templates, and what is written of them."""
