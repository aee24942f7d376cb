using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Calling;

/// <summary>Several ports in one call.</summary>
internal static class TogetherCalls
{
    public static Task<IReadOnlyList<PortEntry>> AskAllAsync(this RpcCaller caller, PortRequest[] requests, bool contiguous, CancellationToken cancellationToken) =>
        caller.CallAsync(
            PortmapProcedure.AcquireAll,
            writer =>
            {
                writer.WriteInt32(requests.Length);
                foreach (PortRequest request in requests)
                {
                    PortmapXdr.WriteRequest(writer, request);
                }

                writer.WriteBoolean(contiguous);
            },
            PortmapXdr.ReadLeases,
            cancellationToken);
}
