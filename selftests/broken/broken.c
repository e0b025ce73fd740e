// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does one thing wrong, kind=NAME says which, so that it can be seen that the test host notices. Loaded by
 * scripts/check-broken, in test hosts only.
 */
#include <linux/debugobjects.h>
#include <linux/delay.h>
#include <linux/kmemleak.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

static char *kind = "";
module_param(kind, charp, 0);

/* What the compiler must not see through. */
static volatile int zero, past = 64;
static void *volatile kept;

static void out_of_bounds(void)
{
	char *object = kmalloc(past, GFP_KERNEL);

	object[past] = 1;
	kfree(object);
}

static void after_free(void)
{
	volatile char *object = kmalloc(past, GFP_KERNEL);

	kfree((void *)object);
	zero = object[0] & 0;
}

static void double_free(void)
{
	void *object = kmalloc(past, GFP_KERNEL);

	kfree(object);
	kfree(object);
}

static void on_the_stack(void)
{
	char area[64];
	volatile char *from = area;

	from[past] = 1;
}

static char global_area[64];

static void of_a_global(void)
{
	((volatile char *)global_area)[past] = 1;
}

static void of_vmalloc(void)
{
	volatile char *area = vmalloc(past);

	area[past] = 1;
	vfree((void *)area);
}

struct array {
	int numbers[4];
	int behind[124];
};

static void array_index(void)
{
	struct array *array = kzalloc(sizeof(*array), GFP_KERNEL);

	array->numbers[past] = 1;
	kfree(array);
}

static void shift(void)
{
	zero = (1 << past) & 0;
}

static DEFINE_SPINLOCK(lock_a);
static DEFINE_SPINLOCK(lock_b);
static DEFINE_MUTEX(mutex_a);

static void lock_order(void)
{
	spin_lock(&lock_a);
	spin_lock(&lock_b);
	spin_unlock(&lock_b);
	spin_unlock(&lock_a);
	spin_lock(&lock_b);
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
	spin_unlock(&lock_b);
}

static void timer_takes_lock(struct timer_list *timer)
{
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
}

static DEFINE_TIMER(timer, timer_takes_lock);

/* Taken in an interrupt and, elsewhere, with interrupts on. */
static void lock_in_interrupt(void)
{
	mod_timer(&timer, jiffies);
	msleep(100);
	spin_lock(&lock_a);
	spin_unlock(&lock_a);
}

static void lock_held_on_return(void)
{
	mutex_lock(&mutex_a);
}

static void rcu_unlocked(void)
{
	kept = rcu_dereference(*(void *__rcu *)&kept);
}

static void sleep_in_atomic(void)
{
	spin_lock(&lock_a);
	might_sleep();
	spin_unlock(&lock_a);
}

static void schedule_in_atomic(void)
{
	preempt_disable();
	schedule_timeout_uninterruptible(1);
	preempt_enable();
}

static void preemptible_cpu(void)
{
	zero = smp_processor_id() & 0;
}

static void free_active_timer(void)
{
	struct timer_list *t = kzalloc(sizeof(*t), GFP_KERNEL);

	timer_setup(t, timer_takes_lock, 0);
	mod_timer(t, jiffies + 1000 * HZ);
	kfree(t);
}

static void list_corruption(void)
{
	static LIST_HEAD(head);
	static struct list_head entry;

	list_add(&entry, &head);
	list_add(&entry, &head);
}

static void leak(void)
{
	kept = kmalloc(past, GFP_KERNEL);
	kept = NULL;
}

/* The module's data refers to it for as long as there is a module. */
static void leak_at_exit(void)
{
	kept = kmalloc(past, GFP_KERNEL);
}

static void cache_in_use(void)
{
	struct kmem_cache *cache =
		kmem_cache_create("broken", 64, 0, SLAB_HWCACHE_ALIGN | SLAB_POISON, NULL);

	kept = kmem_cache_alloc(cache, GFP_KERNEL);
	kmem_cache_destroy(cache);
}

static void warn(void)
{
	WARN_ON(1);
}

static void null_pointer(void)
{
	*(volatile int *)(long)zero = 1;
}

static const struct {
	const char *name;
	void (*do_it)(void);
} kinds[] = {
	{ "out_of_bounds", out_of_bounds },
	{ "after_free", after_free },
	{ "double_free", double_free },
	{ "on_the_stack", on_the_stack },
	{ "of_a_global", of_a_global },
	{ "of_vmalloc", of_vmalloc },
	{ "array_index", array_index },
	{ "shift", shift },
	{ "lock_order", lock_order },
	{ "lock_in_interrupt", lock_in_interrupt },
	{ "lock_held_on_return", lock_held_on_return },
	{ "rcu_unlocked", rcu_unlocked },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "schedule_in_atomic", schedule_in_atomic },
	{ "preemptible_cpu", preemptible_cpu },
	{ "free_active_timer", free_active_timer },
	{ "list_corruption", list_corruption },
	{ "leak", leak },
	{ "leak_at_exit", leak_at_exit },
	{ "cache_in_use", cache_in_use },
	{ "warn", warn },
	{ "null_pointer", null_pointer },
};

static int __init broken_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].name, kind))
			continue;
		kinds[i].do_it();
		return 0;
	}
	return -EINVAL;
}

static void __exit broken_exit(void)
{
}

module_init(broken_init);
module_exit(broken_exit);
MODULE_DESCRIPTION("Breaks the kernel, to test that it is noticed");
MODULE_LICENSE("GPL");
