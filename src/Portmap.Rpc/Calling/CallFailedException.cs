namespace Portmap.Rpc.Calling;

/// <summary>A daemon that knows what was called could not carry it out (SYSTEM_ERR of RFC 5531):
/// another time it may.</summary>
internal sealed class CallFailedException(string message) : IOException(message);
