/* A program that imports nothing, and calls nothing: its image has neither an import directory nor an address table. */
int Start(void) { return 42; }
