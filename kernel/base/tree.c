#include "base/tree.h"

static uint32_t height_of(const struct tree_node *node)
{
    return node != nullptr ? node->height : 0;
}

static void update_height(struct tree_node *node)
{
    uint32_t left = height_of(node->left), right = height_of(node->right);
    node->height = (left > right ? left : right) + 1;
}

/* Where the tree keeps the pointer to this node. */
static struct tree_node **place_of(struct tree *tree, struct tree_node *node)
{
    if (node->parent == nullptr) return &tree->root;
    return node->parent->left == node ? &node->parent->left : &node->parent->right;
}

static void set_left(struct tree_node *node, struct tree_node *child)
{
    node->left = child;
    if (child != nullptr) child->parent = node;
}

static void set_right(struct tree_node *node, struct tree_node *child)
{
    node->right = child;
    if (child != nullptr) child->parent = node;
}

/* Puts `child` (which may be nullptr) where `node` was. */
static void replace(struct tree *tree, struct tree_node *node, struct tree_node *child)
{
    *place_of(tree, node) = child;
    if (child != nullptr) child->parent = node->parent;
}

/* The right child goes up, the node becomes its left child. Answers the new top. */
static struct tree_node *rotate_left(struct tree *tree, struct tree_node *node)
{
    struct tree_node *top = node->right;
    replace(tree, node, top);
    set_right(node, top->left);
    set_left(top, node);
    update_height(node);
    update_height(top);
    return top;
}

static struct tree_node *rotate_right(struct tree *tree, struct tree_node *node)
{
    struct tree_node *top = node->left;
    replace(tree, node, top);
    set_left(node, top->right);
    set_right(top, node);
    update_height(node);
    update_height(top);
    return top;
}

/* One side may be higher by two. Answers what stands in the node's place afterwards. */
static struct tree_node *rebalance(struct tree *tree, struct tree_node *node)
{
    struct tree_node *left = node->left, *right = node->right;
    if (height_of(left) > height_of(right) + 1) {
        if (height_of(left->right) > height_of(left->left)) rotate_left(tree, left);
        return rotate_right(tree, node);
    }
    if (height_of(right) > height_of(left) + 1) {
        if (height_of(right->left) > height_of(right->right)) rotate_right(tree, right);
        return rotate_left(tree, node);
    }
    return node;
}

/* Repairs heights and balance from the node up, until nothing changes any more. */
static void repair_upwards(struct tree *tree, struct tree_node *node)
{
    while (node != nullptr) {
        uint32_t before = node->height;
        update_height(node);
        node = rebalance(tree, node);
        if (node->height == before) return;
        node = node->parent;
    }
}

void tree_insert(struct tree *tree, struct tree_node *parent, struct tree_node **place,
                 struct tree_node *node)
{
    *node = (struct tree_node){.parent = parent, .height = 1};
    *place = node;
    repair_upwards(tree, parent);
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    struct tree_node *repair_from;
    if (node->left == nullptr || node->right == nullptr) {
        repair_from = node->parent;
        replace(tree, node, node->left != nullptr ? node->left : node->right);
    } else {
        /* The next one has no left child: it leaves its place and takes that of the node. */
        struct tree_node *next = tree_next(node);
        repair_from = next->parent != node ? next->parent : next;
        replace(tree, next, next->right);
        replace(tree, node, next);
        set_left(next, node->left);
        set_right(next, node->right);
        next->height = node->height;
    }
    repair_upwards(tree, repair_from);
    *node = (struct tree_node){0};
}

static struct tree_node *leftmost(struct tree_node *node)
{
    while (node != nullptr && node->left != nullptr)
        node = node->left;
    return node;
}

static struct tree_node *rightmost(struct tree_node *node)
{
    while (node != nullptr && node->right != nullptr)
        node = node->right;
    return node;
}

struct tree_node *tree_first(const struct tree *tree)
{
    return leftmost(tree->root);
}

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->right != nullptr) return leftmost(node->right);
    while (node->parent != nullptr && node->parent->right == node)
        node = node->parent;
    return node->parent;
}

struct tree_node *tree_previous(const struct tree_node *node)
{
    if (node->left != nullptr) return rightmost(node->left);
    while (node->parent != nullptr && node->parent->left == node)
        node = node->parent;
    return node->parent;
}

static bool check_node(const struct tree_node *node)
{
    uint32_t left = height_of(node->left), right = height_of(node->right);
    uint32_t higher = left > right ? left : right, lower = left > right ? right : left;
    return node->height == higher + 1 && higher - lower <= 1 &&
           (node->left == nullptr || node->left->parent == node) &&
           (node->right == nullptr || node->right->parent == node);
}

bool tree_check(const struct tree *tree)
{
    if (tree->root != nullptr && tree->root->parent != nullptr) return false;
    for (const struct tree_node *node = tree_first(tree); node != nullptr; node = tree_next(node)) {
        if (!check_node(node)) return false;
    }
    return true;
}
