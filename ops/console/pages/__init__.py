"""The pages: a module each, with its routes. A page shows what the read model says, and judges nothing itself."""
