using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Calling;

/// <summary>A call that was sent and waits for its answer.</summary>
internal abstract class PendingCall
{
    /// <summary>Completes it with the results, which are only valid during the call.</summary>
    public abstract void Complete(ref XdrReader results);

    public abstract void Fail(Exception exception);
}

/// <summary>A call whose results are of a type.</summary>
internal sealed class PendingCall<T>(Decode<T> decode) : PendingCall
{
    // Continuations run elsewhere: the loop that reads answers must not run the caller's code.
    private readonly TaskCompletionSource<T> _source = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Task => _source.Task;

    public override void Complete(ref XdrReader results)
    {
        try
        {
            _source.TrySetResult(decode(ref results));
        }
        catch (Exception e) when (e is PortRefusedException or InvalidDataException)
        {
            _source.TrySetException(e);
        }
    }

    public override void Fail(Exception exception) => _source.TrySetException(exception);

    public void Cancel(CancellationToken cancellationToken) => _source.TrySetCanceled(cancellationToken);
}
