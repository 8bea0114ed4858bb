#include "peal/status.h"

text peal_status_name(status s)
{
    switch (s.code) {
#define STATUS(NAME, number, meaning) \
    case STATUS_##NAME:               \
        return TEXT(#NAME);
#include <abi/status.def>
#undef STATUS
    }
    return TEXT("unknown status");
}

text peal_status_meaning(status s)
{
    switch (s.code) {
#define STATUS(NAME, number, meaning) \
    case STATUS_##NAME:               \
        return TEXT(meaning);
#include <abi/status.def>
#undef STATUS
    }
    return TEXT("unknown status");
}
