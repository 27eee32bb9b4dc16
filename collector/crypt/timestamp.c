/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <crashcart/digest.h>
#include <crashcart/text.h>
#include <crashcart/timestamp.h>

#include "crypt.h"

#define CHAIN_MAX 10

#if OPENSSL_VERSION_NUMBER < 0x30400000L	/* FLAVOUR=system */
#define TS_VERIFY_CTX_set0_store TS_VERIFY_CTX_set_store
#endif

/* --- the question --- */

static TS_MSG_IMPRINT *imprint_of(const void *data, size_t len)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	X509_ALGOR *algo = X509_ALGOR_new();
	TS_MSG_IMPRINT *imprint = TS_MSG_IMPRINT_new();
	unsigned n = 0;

	if (!algo || !imprint ||
	    EVP_Digest(data, len, digest, &n, EVP_sha512(), NULL) != 1 ||
	    X509_ALGOR_set0(algo, OBJ_nid2obj(NID_sha512), V_ASN1_NULL,
			    NULL) != 1 ||
	    TS_MSG_IMPRINT_set_algo(imprint, algo) != 1 ||
	    TS_MSG_IMPRINT_set_msg(imprint, digest, (int)n) != 1) {
		TS_MSG_IMPRINT_free(imprint);
		imprint = NULL;
	}
	X509_ALGOR_free(algo);
	return imprint;
}

int cart_tsq_make(const void *data, size_t len, struct cart_buf *ret_query,
		  struct cart_err *err)
{
	TS_MSG_IMPRINT *imprint = imprint_of(data, len);
	ASN1_INTEGER *nonce = ASN1_INTEGER_new();
	TS_REQ *req = TS_REQ_new();
	unsigned char *der = NULL;
	uint64_t number;
	int n = -1;

	cart_random(&number, sizeof(number));
	if (imprint && nonce && req && TS_REQ_set_version(req, 1) == 1 &&
	    TS_REQ_set_msg_imprint(req, imprint) == 1 &&
	    ASN1_INTEGER_set_uint64(nonce, number) == 1 &&
	    TS_REQ_set_nonce(req, nonce) == 1 &&
	    TS_REQ_set_cert_req(req, 1) == 1)
		n = i2d_TS_REQ(req, &der);
	if (n > 0)
		cart_buf_add(ret_query, der, (size_t)n);
	OPENSSL_free(der);
	TS_REQ_free(req);
	ASN1_INTEGER_free(nonce);
	TS_MSG_IMPRINT_free(imprint);
	ERR_clear_error();
	if (n <= 0)
		return cart_err_nomem(err);
	return cart_buf_check(ret_query, "time stamp query", err);
}

/* --- the answer --- */

struct reply {
	TS_RESP *resp;
	PKCS7 *token;			/* resp owns it */
	TS_TST_INFO *info;		/* likewise */
	X509 *signer;			/* likewise: it came in the token */
	time_t when;
};

static int bad(struct cart_err *err, const char *what)
{
	return cart_err_set(err, CART_ERR_INPUT, 0, "time stamp: %s", what);
}

/* An authority's words for a refusal. */
static int refused(TS_STATUS_INFO *status, long code, struct cart_err *err)
{
	const STACK_OF(ASN1_UTF8STRING) *text = TS_STATUS_INFO_get0_text(status);
	ASN1_UTF8STRING *s = sk_ASN1_UTF8STRING_num(text) > 0 ?
			     sk_ASN1_UTF8STRING_value(text, 0) : NULL;

	if (s)
		return cart_err_set(err, CART_ERR_DENIED, (int)code, "the "
				    "authority refused (status %ld): %.*s", code,
				    ASN1_STRING_length(s) > 200 ? 200 :
				    ASN1_STRING_length(s),
				    (const char *)ASN1_STRING_get0_data(s));
	return cart_err_set(err, CART_ERR_DENIED, (int)code,
			    "the authority refused (status %ld)", code);
}

static int read_time(struct reply *r, struct cart_err *err)
{
	struct tm tm = { 0 };

	if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(r->info), &tm) != 1 ||
	    tm.tm_year < 70 || tm.tm_year > 300)
		return bad(err, "its time cannot be read");
	r->when = timegm(&tm);
	return 0;
}

static int read_signer(struct reply *r, struct cart_err *err)
{
	STACK_OF(X509) *signers;

	if (sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(r->token)) != 1)
		return bad(err, "not by exactly one signer");
	signers = PKCS7_get0_signers(r->token, NULL, 0);
	r->signer = signers && sk_X509_num(signers) == 1 ?
		    sk_X509_value(signers, 0) : NULL;
	sk_X509_free(signers);
	if (!r->signer)
		return bad(err, "it does not carry its signer's certificate");
	return 0;
}

static int read_reply(const struct cart_tsr_check *c, struct reply *r,
		      struct cart_err *err)
{
	const unsigned char *p = c->reply;
	long status;

	if (c->reply_len > CART_TSR_MAX)
		return cart_err_set(err, CART_ERR_LIMIT, 0, "time stamp: more "
				    "than %u bytes", CART_TSR_MAX);
	if (c->reply_len > 0)
		r->resp = d2i_TS_RESP(NULL, &p, (long)c->reply_len);
	if (!r->resp || p != (const unsigned char *)c->reply + c->reply_len)
		return bad(err, "not a TimeStampResp");
	status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(
				  TS_RESP_get_status_info(r->resp)));
	if (status != TS_STATUS_GRANTED &&
	    status != TS_STATUS_GRANTED_WITH_MODS)
		return refused(TS_RESP_get_status_info(r->resp), status, err);
	r->token = TS_RESP_get_token(r->resp);
	r->info = TS_RESP_get_tst_info(r->resp);
	if (!r->token || !r->info || !PKCS7_type_is_signed(r->token))
		return bad(err, "granted, but without a token");
	if (read_time(r, err) < 0)
		return -1;
	return read_signer(r, err);
}

static int check_imprint(const struct cart_tsr_check *c, struct reply *r,
			 struct cart_err *err)
{
	TS_MSG_IMPRINT *imprint = TS_TST_INFO_get_msg_imprint(r->info);
	X509_ALGOR *algo = imprint ? TS_MSG_IMPRINT_get_algo(imprint) : NULL;
	ASN1_OCTET_STRING *msg = imprint ? TS_MSG_IMPRINT_get_msg(imprint) : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	const ASN1_OBJECT *oid = NULL;
	const EVP_MD *md;
	unsigned n = 0;

	if (algo)
		X509_ALGOR_get0(&oid, NULL, NULL, algo);
	switch (oid ? OBJ_obj2nid(oid) : NID_undef) {
	case NID_sha256:
		md = EVP_sha256();
		break;
	case NID_sha384:
		md = EVP_sha384();
		break;
	case NID_sha512:
		md = EVP_sha512();
		break;
	default:
		return bad(err, "a digest that is not accepted");
	}
	if (EVP_Digest(c->data, c->data_len, digest, &n, md, NULL) != 1)
		return cart_err_nomem(err);
	if (!msg || ASN1_STRING_length(msg) != (int)n ||
	    memcmp(ASN1_STRING_get0_data(msg), digest, n) != 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0,
				    "time stamp: it is about something else");
	return 0;
}

static int check_nonce(const struct cart_tsr_check *c, struct reply *r,
		       struct cart_err *err)
{
	const unsigned char *p = c->query;
	const ASN1_INTEGER *got = TS_TST_INFO_get_nonce(r->info);
	TS_REQ *req;
	bool same;

	if (!c->query)
		return 0;
	req = d2i_TS_REQ(NULL, &p, (long)c->query_len);
	same = req && got && TS_REQ_get_nonce(req) &&
	       ASN1_INTEGER_cmp(got, TS_REQ_get_nonce(req)) == 0;
	TS_REQ_free(req);
	return same ? 0 : cart_err_set(err, CART_ERR_CRYPTO, 0, "time stamp: "
				       "it answers another question (nonce)");
}

/* The signature, with store as what is trusted: 1, 0 (why), -1 (memory). */
static int holds(struct reply *r, X509_STORE *store, char why[160])
{
	X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
	TS_VERIFY_CTX *ctx = TS_VERIFY_CTX_new();
	unsigned long code, last = 0;
	int rc;

	if (!ctx || !param) {
		TS_VERIFY_CTX_free(ctx);
		return -1;
	}
	X509_VERIFY_PARAM_set_time(param, r->when);
	X509_VERIFY_PARAM_set_depth(param, CHAIN_MAX);
	ERR_clear_error();
	X509_STORE_up_ref(store);
	TS_VERIFY_CTX_set0_store(ctx, store);
	TS_VERIFY_CTX_set_flags(ctx, TS_VFY_VERSION | TS_VFY_SIGNATURE);
	rc = TS_RESP_verify_response(ctx, r->resp) == 1;
	while ((code = ERR_get_error()) != 0)
		last = code;
	if (!rc)
		snprintf(why, 160, "%.150s", last ?
			 ERR_reason_error_string(last) ?
			 ERR_reason_error_string(last) : "refused" : "refused");
	TS_VERIFY_CTX_free(ctx);
	return rc;
}

/* Whoever it is: the token is signed by the certificate that it carries, which
 * is for time stamping and was valid then. */
static int check_signature(struct reply *r, struct cart_err *err)
{
	X509_STORE *store = X509_STORE_new();
	char why[160] = "";
	int rc = -1;

	if (store && X509_STORE_add_cert(store, r->signer) == 1) {
		X509_VERIFY_PARAM_set_flags(X509_STORE_get0_param(store),
					    X509_V_FLAG_PARTIAL_CHAIN);
		rc = holds(r, store, why);
	}
	X509_STORE_free(store);
	if (rc < 0)
		return cart_err_nomem(err);
	if (rc == 0)
		return cart_err_set(err, CART_ERR_CRYPTO, 0, "time stamp: its "
				    "signature does not hold (%s)", why);
	return 0;
}

/* --- roots --- */

/* Adds each certificate of the text to store (may be NULL). */
static int read_roots(const char *pem, size_t len, X509_STORE *store,
		      struct cart_err *err)
{
	BIO *in = len > 0 && len <= CART_TSA_ROOTS_MAX ?
		  BIO_new_mem_buf(pem, (int)len) : NULL;
	unsigned long code;
	X509 *cert;
	int n = 0;

	while (in && (cert = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		if (store && X509_STORE_add_cert(store, cert) != 1) {
			X509_free(cert);
			BIO_free(in);
			return cart_err_nomem(err);
		}
		X509_free(cert);
		n++;
	}
	BIO_free(in);
	code = ERR_peek_last_error();
	ERR_clear_error();
	if (n == 0 || ERR_GET_LIB(code) != ERR_LIB_PEM ||
	    ERR_GET_REASON(code) != PEM_R_NO_START_LINE)
		return cart_err_set(err, CART_ERR_INPUT, 0, "not certificates "
				    "in PEM form");
	return n;
}

int cart_tsa_roots_count(const char *pem, size_t len, struct cart_err *err)
{
	return read_roots(pem, len, NULL, err);
}

static int check_anchor(const struct cart_tsr_check *c, struct reply *r,
			struct cart_tsr *ret, struct cart_err *err)
{
	X509_STORE *store;
	int rc;

	if (!c->roots) {
		snprintf(ret->why_not, sizeof(ret->why_not),
			 "no authority's roots were named");
		return 0;
	}
	store = X509_STORE_new();
	if (!store)
		return cart_err_nomem(err);
	if (read_roots(c->roots, c->roots_len, store, err) < 0) {
		X509_STORE_free(store);
		return -1;
	}
	rc = holds(r, store, ret->why_not);
	X509_STORE_free(store);
	if (rc < 0)
		return cart_err_nomem(err);
	ret->anchored = rc > 0;
	return 0;
}

/* --- what it says --- */

static void describe(struct reply *r, struct cart_tsr *ret)
{
	const ASN1_INTEGER *serial = TS_TST_INFO_get_serial(r->info);
	BIO *out = BIO_new(BIO_s_mem());
	struct cart_buf fixed;
	char *text = NULL;
	long len = 0;

	ret->gen_ns = (int64_t)r->when * 1000000000;
	if (serial && ASN1_STRING_length(serial) > 0 &&
	    ASN1_STRING_length(serial) < 32)
		cart_text_hex(ASN1_STRING_get0_data(serial),
			      (size_t)ASN1_STRING_length(serial), ret->serial);
	if (out && X509_NAME_print_ex(out, X509_get_subject_name(r->signer), 0,
				      XN_FLAG_RFC2253) > 0)
		len = BIO_get_mem_data(out, &text);
	if (len > (long)sizeof(ret->by) - 1)
		len = (long)sizeof(ret->by) - 1;
	/* RFC 2253 leaves only ASCII, but who knows whose bytes these are */
	cart_buf_init_fixed(&fixed, ret->by, sizeof(ret->by));
	if (len > 0)
		cart_text_escape(text, (size_t)len, &fixed);
	BIO_free(out);
}

int cart_tsr_verify(const struct cart_tsr_check *c, struct cart_tsr *ret,
		    struct cart_err *err)
{
	struct reply r = { 0 };
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (read_reply(c, &r, err) < 0 || check_imprint(c, &r, err) < 0 ||
	    check_nonce(c, &r, err) < 0 || check_signature(&r, err) < 0 ||
	    check_anchor(c, &r, ret, err) < 0)
		goto out;
	describe(&r, ret);
	rc = 0;
out:
	TS_RESP_free(r.resp);
	ERR_clear_error();
	return rc;
}
