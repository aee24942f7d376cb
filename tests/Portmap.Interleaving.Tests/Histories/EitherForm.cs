using System.Diagnostics.CodeAnalysis;

namespace Portmap.Interleaving.Tests.Histories;

/// <summary>The verbs that change, with the refusal as a value: the Try form on a registry in
/// memory, the async one, waited for, on one that confirms.</summary>
internal static class EitherForm
{
    /// <summary>The store that writes only while this thread waits; null where it writes by
    /// itself.</summary>
    [ThreadStatic]
    public static SteppedStore? Stepped;

    public static bool Acquire(this PortRegistry registry, PortRequest request, [NotNullWhen(true)] out PortLease? lease, out PortRefusal? refusal) =>
        registry.Confirms ? Wait(registry.AcquireAsync(request).AsTask(), out lease, out refusal) : registry.TryAcquire(request, out lease, out refusal);

    public static bool AcquireAll(this PortRegistry registry, PortRequest[] requests, bool contiguous, [NotNullWhen(true)] out IReadOnlyList<PortLease>? leases, out PortRefusal? refusal) =>
        registry.Confirms ? Wait(registry.AcquireAllAsync(requests, contiguous).AsTask(), out leases, out refusal) : registry.TryAcquireAll(requests, contiguous, out leases, out refusal);

    public static bool Acquire(this PortSession session, PortRequest request, [NotNullWhen(true)] out PortLease? lease, out PortRefusal? refusal) =>
        Wait(session.AcquireAsync(request).AsTask(), out lease, out refusal);

    public static bool Register(this PortSession session, PortRegistry registry, string owner, int port, out PortEntry entry, out PortRefusal? refusal, long epoch = 0) =>
        session.Register(registry, new PortClaimRequest(owner, port) { Epoch = epoch }, out entry, out refusal);

    public static bool Register(this PortSession session, PortRegistry registry, PortClaimRequest request, out PortEntry entry, out PortRefusal? refusal) =>
        registry.Confirms ? Wait(session.RegisterAsync(request).AsTask(), out entry, out refusal) : session.TryRegister(request, out entry, out refusal);

    public static bool Release(this PortSession session, PortRegistry registry, string owner, out PortRefusal? refusal) =>
        session.Release(registry, new PortClaimRequest(owner), out refusal);

    public static bool Release(this PortSession session, PortRegistry registry, PortClaimRequest request, out PortRefusal? refusal) =>
        registry.Confirms ? Wait(session.ReleaseAsync(request), out refusal) : session.TryRelease(request, out refusal);

    public static bool ReportBindFailure(this PortLease lease, out PortRefusal? refusal) => Wait(lease.ReportBindFailureAsync(), out refusal);

    public static bool Extend(this PortLease lease, TimeSpan time, out PortRefusal? refusal) => Wait(lease.ExtendAsync(time), out refusal);

    public static bool Release(this PortLease lease, PortRegistry registry, out PortRefusal? refusal) =>
        registry.Confirms ? Wait(lease.ReleaseAsync(), out refusal) : lease.TryRelease(out refusal);

    private static bool Wait(ValueTask task, out PortRefusal? refusal) => Wait(WithoutResultAsync(task), out _, out refusal);

    private static async Task<bool> WithoutResultAsync(ValueTask task)
    {
        await task;
        return true;
    }

    private static bool Wait<T>(Task<T> task, [NotNullWhen(true)] out T? result, out PortRefusal? refusal)
    {
        SteppedStore? store = task.IsCompleted ? null : Stepped;
        store?.Open();
        try
        {
            result = task.WaitAsync(Deadline.Default).GetAwaiter().GetResult()!;
            refusal = null;
            return true;
        }
        catch (PortRefusedException exception)
        {
            result = default;
            refusal = exception.Refusal;
            return false;
        }
        finally
        {
            store?.Close();
        }
    }
}
