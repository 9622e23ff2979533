/* Memory for CPython, in place of malloc(3): build/heap.c. */

#include <stddef.h>

#define PAGE 4096

extern int is_making;   /* an image: docs/internals/startup.md */
extern char *heap_used; /* its end */

void *take_arena(void *context, size_t size);
void give_arena(void *context, void *memory, size_t size);
