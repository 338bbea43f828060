"""Names that different programs have for one setting, so that a hint finds what was meant."""

from __future__ import annotations

_SETS = (
    "lr learning_rate max_lr base_lr",
    "wd weight_decay",
    "bs batch_size train_batch_size micro_batch_size per_device_train_batch_size",
    "eval_batch_size val_batch_size per_device_eval_batch_size",
    "epochs num_epochs n_epochs max_epochs num_train_epochs",
    "steps num_steps n_steps total_steps max_iters iterations num_training_steps max_steps",
    "grad_accum accumulate_grad_batches grad_accum_steps gradient_accumulation_steps",
    "clip grad_clip clip_grad clip_grad_norm gradient_clip_val max_grad_norm",
    "warmup num_warmup_steps warmup_iters warmup_steps",
    "scheduler lr_schedule schedule lr_scheduler lr_scheduler_type",
    "save_every save_interval checkpoint_every save_steps",
    "eval_every eval_interval val_interval val_check_interval eval_steps",
    "log_every log_interval log_every_n_steps logging_steps",
    "seq_len seq_length sequence_length max_seq_len max_seq_length max_length context_length "
    "context_size n_ctx n_positions block_size max_position_embeddings",
    "d_model n_embd embed_dim emb_dim dim hidden_dim hidden_size",
    "n_layer n_layers num_layers depth num_hidden_layers",
    "n_head n_heads num_heads num_attention_heads",
    "n_kv_heads num_kv_heads num_key_value_heads",
    "d_ff ffn_dim n_inner mlp_dim d_feedforward intermediate_size",
    "random_seed manual_seed seed",
)
_OF = {word: frozenset(words) for words in map(str.split, _SETS) for word in words}


def synonyms(name: str) -> frozenset[str]:
    """The other names of a setting, if it is one that is known under several."""
    return _OF.get(name, frozenset()) - {name}
