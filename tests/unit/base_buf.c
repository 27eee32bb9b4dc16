/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <crashcart/buf.h>

static void grows(void **state)
{
	struct cart_buf b;
	int i;

	cart_buf_init(&b, 100000);
	assert_null(b.data);
	for (i = 0; i < 10000; i++)
		cart_buf_addf(&b, "%d,", i % 10);
	assert_true(cart_buf_ok(&b));
	assert_int_equal(b.len, 20000);
	assert_int_equal(b.data[b.len], '\0');
	assert_memory_equal(b.data + 19996, "8,9,", 4);
	cart_buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal((char *)b.data, "");
	cart_buf_clear(&b);
	assert_null(b.data);
	assert_int_equal(b.max, 100000);
}

static void keeps_its_maximum(void **state)
{
	struct cart_err err = { 0 };
	struct cart_buf b;

	cart_buf_init(&b, 4);
	cart_buf_adds(&b, "abc");
	cart_buf_addc(&b, 'd');
	assert_true(cart_buf_ok(&b));
	assert_int_equal(cart_buf_check(&b, "it", &err), 0);
	cart_buf_addc(&b, 'e');
	assert_false(cart_buf_ok(&b));
	assert_string_equal((char *)b.data, "abcd");
	/* sticky, also for what would fit */
	cart_buf_add(&b, "", 0);
	assert_false(cart_buf_ok(&b));
	assert_int_equal(cart_buf_check(&b, "it", &err), -1);
	assert_int_equal(err.class, CART_ERR_LIMIT);
	assert_string_equal(err.text, "it: more than 4 bytes");
	assert_null(cart_buf_steal(&b, NULL));
	cart_buf_reset(&b);
	assert_true(cart_buf_ok(&b));
	cart_buf_addf(&b, "%s", "12345");
	assert_false(cart_buf_ok(&b));
	cart_buf_clear(&b);
	assert_true(cart_buf_ok(&b));

	cart_buf_init(&b, 0);
	cart_buf_adds(&b, "");
	assert_true(cart_buf_ok(&b));
	cart_buf_addc(&b, 'x');
	assert_false(cart_buf_ok(&b));
	cart_buf_clear(&b);
	cart_buf_init(&b, SIZE_MAX);
	cart_buf_addc(&b, 'x');
	assert_null(cart_buf_reserve(&b, SIZE_MAX));
	assert_false(cart_buf_ok(&b));
	cart_buf_clear(&b);
}

static void steals(void **state)
{
	struct cart_buf b;
	size_t len = 9;
	char *s;

	cart_buf_init(&b, 10);
	s = cart_buf_steal(&b, &len);
	assert_string_equal(s, "");
	assert_int_equal(len, 0);
	free(s);
	cart_buf_add(&b, "a\0b", 3);
	s = cart_buf_steal(&b, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(s, "a\0b", 4);
	assert_null(b.data);
	free(s);
}

static void reserves(void **state)
{
	struct cart_buf b;
	unsigned char *p;

	cart_buf_init(&b, 10);
	p = cart_buf_reserve(&b, 10);
	assert_non_null(p);
	memset(p, 'x', 10);
	b.len += 10;
	p = cart_buf_reserve(&b, 0);
	assert_ptr_equal(p, b.data + 10);
	assert_int_equal(*p, '\0');
	assert_null(cart_buf_reserve(&b, 1));
	cart_buf_clear(&b);
}

static void wraps_fixed_memory(void **state)
{
	unsigned char memory[5];
	struct cart_buf b;

	cart_buf_init_fixed(&b, memory, sizeof(memory));
	assert_string_equal((char *)b.data, "");
	cart_buf_adds(&b, "abcd");
	assert_true(cart_buf_ok(&b));
	assert_ptr_equal(b.data, memory);
	cart_buf_addc(&b, 'e');
	assert_false(cart_buf_ok(&b));
	assert_string_equal((char *)memory, "abcd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows),
		cmocka_unit_test(keeps_its_maximum),
		cmocka_unit_test(steals),
		cmocka_unit_test(reserves),
		cmocka_unit_test(wraps_fixed_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
