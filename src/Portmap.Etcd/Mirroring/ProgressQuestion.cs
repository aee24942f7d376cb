using Google.Protobuf;
using Portmap.Etcd.Connecting;
using Portmap.Etcd.Leasing;
using Portmap.Etcd.Protocol;

namespace Portmap.Etcd.Mirroring;

/// <summary>How fresh a mirror is, asked on its watch: one question at a time, for an answer does not
/// say which one it is for.</summary>
/// <remarks>
/// <para>A member answers by itself, also one that is cut off from the others: it ends a watch only
/// when it has missed its leader for several election timeouts. So before it is asked it has to
/// answer a read, which it does only when most of the others were heard of since. What etcd had
/// confirmed before that read, the member has then.</para>
/// <para>For one loop. Nothing else is written to the stream meanwhile.</para>
/// </remarks>
/// <param name="stream">The watch.</param>
/// <param name="any">A key that the host may read; whether it is there is of no interest.</param>
/// <param name="options">How long a request may take.</param>
/// <param name="time">The clock of the pauses.</param>
internal sealed class ProgressQuestion(EtcdStream<WatchRequest, WatchResponse> stream, ByteString any, PortmapFleetOptions options, TimeProvider time) : IAsyncDisposable
{
    private readonly CancellationTokenSource _over = new();
    private Lifetime? _asked;
    private Task _asking = Task.CompletedTask;

    /// <summary>How long a question is open; null when none is.</summary>
    public TimeSpan? Age => _asked?.Age;

    /// <summary>Asks, unless a question is open.</summary>
    /// <exception cref="EtcdException">The stream broke.</exception>
    public async Task AskAsync(Lifetime now)
    {
        if (!_asking.IsCompleted)
        {
            return;
        }

        await _asking.ConfigureAwait(false);
        if (_asked is null)
        {
            _asked = now;
            _asking = AskAsync();
        }
    }

    /// <summary>An answer came.</summary>
    /// <returns>The moment from before the question: what etcd had confirmed by then is in; null when
    /// none was open.</returns>
    public Lifetime? Answer()
    {
        Lifetime? asked = _asked;
        _asked = null;
        return asked;
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync().ConfigureAwait(false);
        await _asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _over.Dispose();
    }

    private async Task AskAsync()
    {
        Backoff backoff = new(time);
        while (!await IsInTouchAsync().ConfigureAwait(false))
        {
            await backoff.WaitAsync(_over.Token).ConfigureAwait(false);   // no leader at this moment, perhaps
        }

        await stream.WriteAsync(new WatchRequest { ProgressRequest = new WatchProgressRequest() }, options.RequestTimeout, _over.Token).ConfigureAwait(false);
    }

    private async Task<bool> IsInTouchAsync()
    {
        try
        {
            await stream.RangeAsync(new RangeRequest { Key = any, KeysOnly = true }, _over.Token).ConfigureAwait(false);
            return true;
        }
        catch (EtcdException)
        {
            return false;
        }
    }
}
