/* The allocator that CPython, SQLite, zlib and expat call in place of malloc(3), by build/launcher.py.
 *
 * While an image is made, memory comes from one array at a fixed address, the heap; in all other runs
 * from the C library. Memory of the image is never given back to the C library, which knows nothing of it.
 * Nothing here knows Python.
 */

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "heap.h"

extern char heap_start[], heap_end[]; /* build/image.ld */

int is_making;

#define UNIT 16 /* alignment and granularity */
#define SIZES 4096

/* Before each piece of memory; the two together are a number of units. */
struct header {
    unsigned size; /* of the memory */
    unsigned ordinal;
};

char *heap_used = heap_start + UNIT - sizeof(struct header); /* what follows a header is aligned */
static void *freed[SIZES]; /* by size in units; each begins with a pointer to the next one */
static unsigned taken;
static const struct together *together;
static char *together_used, *together_end;

static int is_of_image(const void *memory)
{
    return (const char *)memory >= heap_start && (const char *)memory < heap_end;
}

static struct header *header_of(void *memory)
{
    return (struct header *)memory - 1;
}

/* Before anything is allocated. */
void put_together(const struct together *these)
{
    together = these;
    together_used = heap_used;
    together_end = heap_used += these->size;
}

static char *take_together(size_t units)
{
    int is_asked_for = taken / 8 < together->bytes && together->bits[taken / 8] >> taken % 8 & 1;
    if (!is_asked_for || units * UNIT > (size_t)(together_end - together_used))
        return NULL;
    char *memory = together_used + sizeof(struct header);
    together_used += units * UNIT;
    return memory;
}

static void *take(size_t size)
{
    size_t units = (size + sizeof(struct header) + UNIT - 1) / UNIT;
    char *memory = take_together(units);
    if (memory) {
        /* one that is written to */
    } else if (units < SIZES && (memory = freed[units])) {
        freed[units] = *(void **)memory;
        *(void **)memory = NULL;
    } else {
        if (units > (size_t)(heap_end - heap_used) / UNIT) {
            fprintf(stderr, "cni-bridge: the heap is too small for the image\n");
            abort();
        }
        memory = heap_used + sizeof(struct header);
        heap_used += units * UNIT;
    }
    header_of(memory)->size = units * UNIT - sizeof(struct header);
    header_of(memory)->ordinal = taken++;
    return memory;
}

/* Cleared, so that no old pointer gets into an image. */
static void give(void *memory)
{
    size_t size = header_of(memory)->size, units = (size + sizeof(struct header)) / UNIT;
    memset(memory, 0, size);
    if (units < SIZES) {
        *(void **)memory = freed[units];
        freed[units] = memory;
    }
}

void *heap_malloc(size_t size)
{
    return is_making ? take(size) : malloc(size);
}

void *heap_calloc(size_t count, size_t size)
{
    size_t product;
    if (!is_making)
        return calloc(count, size);
    return __builtin_mul_overflow(count, size, &product) ? NULL : take(product);
}

void heap_free(void *memory)
{
    if (!is_of_image(memory))
        free(memory);
    else if (is_making)
        give(memory);
}

void *heap_realloc(void *memory, size_t size)
{
    if (!memory)
        return heap_malloc(size);
    if (!is_of_image(memory))
        return realloc(memory, size);
    size_t had = header_of(memory)->size;
    if (size <= had)
        return memory;
    void *moved = heap_malloc(size);
    if (moved) {
        memcpy(moved, memory, had);
        heap_free(memory);
    }
    return moved;
}

/* For pymalloc's arenas and the interpreter's stacks of frames. */
void *take_arena(void *context, size_t size)
{
    if (is_making)
        return take(size);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void give_arena(void *context, void *memory, size_t size)
{
    if (!is_of_image(memory))
        munmap(memory, size);
    else if (is_making)
        give(memory);
}
