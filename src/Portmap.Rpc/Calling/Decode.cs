using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Calling;

/// <summary>Reads the results of one call.</summary>
internal delegate T Decode<out T>(ref XdrReader results);
