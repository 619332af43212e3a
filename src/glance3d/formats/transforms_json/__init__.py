"""``transforms.json`` of nerfstudio, instant-ngp and tools like them."""
