/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MINISIGN_FIXTURE_H
#define MINISIGN_FIXTURE_H

/*
 * Made once, for this test only, with minisign 0.11:
 *	printf 'test\n' > f
 *	minisign -G -W -p k.pub -s k.key
 *	minisign -Sm f -s k.key -t 'a trusted comment'
 *	minisign -l -Sm f -s k.key -t 'a trusted comment'	(legacy)
 * tests/interop/minisign.sh does the same afresh.
 */
static const char fixture_public[] =
	"untrusted comment: minisign public key 8BB679D9FD9462FA\n"
	"RWT6YpT92Xm2i5+RpQjFNQ83yOlcdrPckQHH/QH163K5OX+CmSEVJYA8\n";

static const char fixture_secret[] =
	"untrusted comment: minisign encrypted secret key\n"
	"RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	"AAAAAAAAAAAA+mKU/dl5tou+a/LzAUzPxLKMJV1/vslSH6JC6aAbnEPHRyyc"
	"iNhB+Z+RpQjFNQ83yOlcdrPckQHH/QH163K5OX+CmSEVJYA8AAAAAAAAAAAA"
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

static const char fixture_sig[] =
	"untrusted comment: signature from minisign secret key\n"
	"RUT6YpT92Xm2i/OoWDo0Mr9TIWSBvIYS4ZYWNGXOm3EmUSlvQ6ACcd16H6o9"
	"yMc3ZRCaEJmHvGrHum4niWElCKnNYMAgI8VwZgM=\n"
	"trusted comment: a trusted comment\n"
	"r+jg6jpVOdLfLLNELLWM8Pg4Ow9lQN4fQWwXfdC77zLoGx0vrWd0FNn4Gp09"
	"WsSmN1dsaoLhTOJOqadLBS3ICQ==\n";

static const char fixture_legacy[] =
	"untrusted comment: signature from minisign secret key\n"
	"RWT6YpT92Xm2i+PEt/s9VogDN9+JZpW3dR5nPYpgLV2Bfqd0+lrYgrraiNC7"
	"zxr7ppng7XuLjrS15sO+fDu/EfxRC10NVAYAOgs=\n"
	"trusted comment: a trusted comment\n"
	"iV15mIxJ38eBRkl+TiDBwB+1BijUiG0EMUtMQAuwQazmJwJ1trGiqe72zNF/"
	"IAV28KjXGbEvtorNdjJyzh/aAQ==\n";

#endif
