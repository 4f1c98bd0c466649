/*
 * nothing: a program that only ends. No program that is linked the same way can start faster.
 */
int main(void) {
	return 0;
}
