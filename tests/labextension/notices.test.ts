import assert from 'node:assert/strict';
import test from 'node:test';
import { LabError } from '../../labextension/src/errors';
import type { INoticeSettings, INoticeWish } from '../../labextension/src/history';
import { NoticeForm } from '../../labextension/src/model/noticeform';
import { moment } from './fakes';

const SET: INoticeSettings = {
  webhook: null,
  secret: null,
  has_secret: false,
  email: null,
  on: ['failed'],
  can_email: true,
  deliveries: []
};

function aForm(): [NoticeForm, INoticeWish[]] {
  const wishes: INoticeWish[] = [];
  const form = new NoticeForm({
    notices: async () => SET,
    testNotices: async () => SET,
    setNotices: async wish => {
      wishes.push(wish);
      if (wish.webhook?.startsWith('ftp:')) {
        throw new LabError('must be https.', '', 'invalid_request', 400, 'webhook');
      }
      const { webhook, email, on, secret } = wish;
      return { ...SET, webhook, email, on, has_secret: true, secret: secret ?? 's'.repeat(16) };
    }
  });
  return [form, wishes];
}

test('what is typed is set when it is saved, and the secret is told once', async t => {
  const [form, wishes] = aForm();
  t.after(() => form.dispose());
  form.refresh();
  await moment();
  assert.ok(!form.isChanged);
  form.set({ webhook: ' https://x ', on: ['stalled', 'failed'] });
  assert.ok(form.isChanged);
  await form.save();
  assert.deepEqual(wishes, [
    { webhook: 'https://x', secret: null, email: null, on: ['failed', 'stalled'] }
  ]);
  assert.equal(form.secret, 's'.repeat(16));
  assert.ok(!form.isChanged);
  await form.save(true);
  assert.match(form.secret, /^[0-9a-f]{64}$/);
});

test('a refusal is kept with its field until something is typed', async t => {
  const [form] = aForm();
  t.after(() => form.dispose());
  form.refresh();
  await moment();
  form.set({ webhook: 'ftp://x' });
  await form.save();
  assert.equal(form.failure?.field, 'webhook');
  assert.equal(form.draft.webhook, 'ftp://x');
  form.set({ webhook: '' });
  assert.equal(form.failure, null);
});
