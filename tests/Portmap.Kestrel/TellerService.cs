using Grpc.Core;
using Portmap.Kestrel.Wire;

namespace Portmap.Kestrel;

/// <summary>Says which process answers, over gRPC.</summary>
internal sealed class TellerService : Teller.TellerBase
{
    public override Task<Answer> Tell(Question request, ServerCallContext context) => Task.FromResult(new Answer
    {
        Owner = Environment.GetEnvironmentVariable("PORTMAP_OWNER") ?? string.Empty,
        ProcessId = Environment.ProcessId,
    });
}
